#include "support/check_main.h"

#include <stdlib.h>

/* Check forks each test by default, so that a crash is one failed test. CK_FORK=no and CK_TAP_LOG_FILE_NAME are
 * honoured by the library itself. */
int main(void)
{
    SRunner *runner = srunner_create(test_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

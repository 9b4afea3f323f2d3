#include "paths.h"

#include <gnu/libc-version.h>
#include <string.h>

static void tell(const struct path *paths, size_t n)
{
#ifdef __clang__
    printf("compiler clang %s\n", __clang_version__);
#else
    printf("compiler gcc %s\n", __VERSION__);
#endif
    printf("libc glibc %s\n", gnu_get_libc_version());
    for (size_t i = 0; i < n; i++) {
        printf("path %s %d\n", paths[i].name, paths[i].turns);
    }
}

int paths_main(int argc, char **argv, const struct path *paths, size_t n)
{
    if (argc < 2) {
        tell(paths, n);
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(argv[1], paths[i].name) == 0) {
            paths[i].prepare();
            paths[i].take(paths[i].turns);
            return 0;
        }
    }
    fprintf(stderr, "there is no path '%s'\n", argv[1]);
    return 2;
}

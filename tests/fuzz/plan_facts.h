/* plan_facts: what must hold of every plan, for the targets that make one. */
#ifndef RXP_TESTS_PLAN_FACTS_H
#define RXP_TESTS_PLAN_FACTS_H

#include "protocol/http_plan.h"

#include <stdbool.h>

void must_be_plan(const struct rxp_http_plan *plan);
/* Of a refusal: its sentence, and that its code is one with which nothing was sent. */
void must_be_refusal(const struct rxp_refusal *why);
bool plan_same(const struct rxp_http_plan *a, const struct rxp_http_plan *b);

#endif

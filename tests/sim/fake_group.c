#include "sim/fake_client.h"
#include "sim/judge.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The group's coordinator: members, generations, and who gets what, as the cooperative protocol deals it: what a member has and
 * is to give up is given to nobody before it has come without it. */

#define MEMBERS_MAX 32
#define JOIN_MS 60000 /* a member that has not joined by then is out: max.poll.interval.ms */
#define FIRST_MS 100

enum state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };

struct member {
    char id[16];
    int instance;
    rd_kafka_t *rk; /* who waits for an answer to its join; NULL: nobody */
    bool has_joined;
    unsigned owned;
    unsigned target;
    int64_t expires_ms;
};

static struct {
    enum state state;
    int32_t generation;
    struct member member[MEMBERS_MAX];
    int n;
    int last_id;
    int64_t joins_end_ms;
    struct happening clock;
} group;

static void serve(void);

static void tick(struct happening *happening)
{
    (void)happening;
    serve();
}

void group_init(void)
{
    memset(&group, 0, sizeof group);
    happening_init(&group.clock, tick);
}

static struct member *find(const char *id)
{
    for (int i = 0; i < group.n; i++) {
        if (strcmp(group.member[i].id, id) == 0)
            return &group.member[i];
    }
    return NULL;
}

static void set_state(enum state state)
{
    static const char *const names[] = {"empty", "preparing", "completing", "stable"};
    if (group.state != state)
        trace(-1, "the group is %s, generation %d, %d members", names[state], (int)group.generation, group.n);
    group.state = state;
}

static void prepare(int64_t first_ms)
{
    if (group.state == GROUP_PREPARING)
        return;
    for (int i = 0; i < group.n; i++)
        group.member[i].has_joined = false;
    group.joins_end_ms = world->now_ms + JOIN_MS;
    set_state(GROUP_PREPARING);
    happen_in(&group.clock, first_ms);
}

static void drop(struct member *member, const char *why)
{
    trace(-1, "the group drops member %s: %s", member->id, why);
    *member = group.member[--group.n];
    if (group.n == 0)
        set_state(GROUP_EMPTY);
    else
        prepare(0);
}

/* ---- dealing ---- */

static int count_bits(unsigned bits)
{
    return __builtin_popcount(bits);
}

/* What two claim is dealt to either at once, though the other may only be about to hand it over: claims bear no generation, as
 * before KIP-792. */
static void settle_claims(void)
{
    for (int32_t p = 0; p < world->plan.n_partitions; p++) {
        struct member *claimer = NULL;
        for (int i = 0; i < group.n; i++) {
            struct member *member = &group.member[i];
            if ((member->owned & 1u << p) == 0)
                continue;
            if (claimer == NULL) {
                claimer = member;
                continue;
            }
            struct member *loser = likely(50) ? claimer : member;
            claimer = loser == claimer ? member : claimer;
            trace(-1, "%s and %s claim [%d], which is the first one's now", claimer->id, loser->id, (int)p);
            loser->owned &= ~(1u << p);
        }
    }
}

static void deal(void)
{
    int32_t n = world->plan.n_partitions;
    int most = (n + group.n - 1) / group.n;
    unsigned owned = 0;
    unsigned dealt = 0;
    settle_claims();
    for (int i = 0; i < group.n; i++) {
        struct member *member = &group.member[i];
        member->target = 0;
        owned |= member->owned;
        for (int32_t p = 0; p < n && count_bits(member->target) < most; p++)
            member->target |= member->owned & 1u << p;
        dealt |= member->target;
    }
    for (int32_t p = 0; p < n; p++) {
        struct member *least = &group.member[0];
        if ((dealt & 1u << p) != 0 || (owned & 1u << p) != 0)
            continue;
        for (int i = 1; i < group.n; i++)
            least = count_bits(group.member[i].target) < count_bits(least->target) ? &group.member[i] : least;
        least->target |= 1u << p;
    }
}

/* The generation begins once all have joined. */
static void complete(void)
{
    group.generation++;
    deal();
    set_state(GROUP_COMPLETING);
    for (int i = 0; i < group.n; i++) {
        struct member *member = &group.member[i];
        member->expires_ms = world->now_ms + world->plan.session_ms;
        if (member->rk != NULL)
            member_is_joined(member->rk, group.generation);
        member->rk = NULL;
    }
}

static bool expire(void)
{
    for (int i = 0; i < group.n; i++) {
        struct member *member = &group.member[i];
        bool waits = group.state == GROUP_PREPARING && member->has_joined;
        if (!waits && world->now_ms >= member->expires_ms) {
            judge_excuse(member->instance);
            drop(member, "no heartbeat");
            return true;
        }
        if (group.state == GROUP_PREPARING && !member->has_joined && world->now_ms >= group.joins_end_ms) {
            drop(member, "it has not joined");
            return true;
        }
    }
    return false;
}

static void serve(void)
{
    while (expire())
        continue;
    bool all = group.n > 0;
    for (int i = 0; i < group.n; i++)
        all = all && group.member[i].has_joined;
    if (group.state == GROUP_PREPARING && all)
        complete();
    if (group.n > 0)
        happen_sooner(&group.clock, 100);
}

/* ---- requests ---- */

rd_kafka_resp_err_t group_join(rd_kafka_t *rk)
{
    struct member *member = find(rk->member_id);
    if (rk->member_id[0] != '\0' && member == NULL)
        return RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    bool first = group.n == 0;
    if (member == NULL) {
        assert(group.n < MEMBERS_MAX);
        member = &group.member[group.n++];
        *member = (struct member){.instance = rk->instance->number};
        snprintf(member->id, sizeof member->id, "m%d", ++group.last_id);
        snprintf(rk->member_id, sizeof rk->member_id, "%s", member->id);
    }
    prepare(first ? FIRST_MS : 0);
    member->has_joined = true;
    member->rk = rk;
    member->owned = rk->owned;
    happen_sooner(&group.clock, first ? FIRST_MS : 0);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void see(struct member *member)
{
    member->expires_ms = world->now_ms + world->plan.session_ms;
}

rd_kafka_resp_err_t group_sync(rd_kafka_t *rk)
{
    struct member *member = find(rk->member_id);
    if (member == NULL)
        return RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    if (rk->generation != group.generation)
        return RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    if (group.state == GROUP_PREPARING)
        return RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    see(member);
    set_state(GROUP_STABLE);
    rk->target = member->target;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t group_heartbeat(const char *member_id, int32_t generation)
{
    struct member *member = find(member_id);
    if (member == NULL)
        return RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    if (generation != group.generation)
        return RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    see(member);
    return group.state == GROUP_PREPARING ? RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS : RD_KAFKA_RESP_ERR_NO_ERROR;
}

void group_leave(const char *member_id)
{
    struct member *member = find(member_id);
    if (member != NULL)
        drop(member, "it leaves");
}

/* As GroupCoordinator.doCommitOffsets: without a member's id only while nobody is in the group. */
rd_kafka_resp_err_t group_check(const char *member_id, int32_t generation)
{
    struct member *member = find(member_id);
    if (generation < 0 && group.n == 0)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    if (member == NULL)
        return RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    if (generation != group.generation)
        return RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION;
    if (group.state == GROUP_COMPLETING)
        return RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
    see(member);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

void group_forget(const rd_kafka_t *rk)
{
    for (int i = 0; i < group.n; i++) {
        if (group.member[i].rk == rk)
            group.member[i].rk = NULL;
    }
}

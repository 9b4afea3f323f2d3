/* parcel: what a delivery report is about. The publisher knows one opaque a message; all that it is given begin with a
 * parcel, so that one hook can hand each report to its owner. */
#ifndef RXP_CORE_PARCEL_H
#define RXP_CORE_PARCEL_H

enum __attribute__((packed)) parcel_kind { /* a byte of each job */
    PARCEL_JOB,        /* a struct job: its result, reply or dead letter */
    PARCEL_CHECKPOINT, /* a write of the ledger */
};

struct parcel {
    enum parcel_kind kind;
};

#endif

//! Every framing, whole and damaged.

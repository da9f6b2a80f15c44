//! Every format, whole and damaged.

//! What the operator may write of a serial line.

//! Every command of the operator, against the real program: while the agent runs, when it does not, as somebody else,
//! on a pipe that is closed early.

mod buffers;
mod drop_ins;
mod joining;
mod letters;
mod lifecycle;
mod looking;
mod watching;
mod wear;
mod world;

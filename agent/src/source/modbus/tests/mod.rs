//! Buses of simulated slaves, by TCP and on a pseudo terminal.

mod line;
mod rtu;
mod schedule;
mod slaves;
mod world;

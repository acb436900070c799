//! Bad worlds: servers that vanish, stall, break off, talk nonsense or never stop. Each ends as it
//! is documented, and nothing of it is left: no connection, no thread, no file.

mod bodies;
mod crowds;
mod reuse;
mod servers;

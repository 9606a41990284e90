//! The only layer that knows threads, sockets and clocks: worker threads that each own an engine,
//! and the handles through which other threads talk to them.

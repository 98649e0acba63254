//! Threads, the latest slot and statistics: the only room that knows a thread.

//! Results as files: jsonl, npz, summary.

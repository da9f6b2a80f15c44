//! A batch as bytes: versioned, checksummed, compressed in columns.

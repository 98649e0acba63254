//! The whole detect-and-follow loop against the official Python package.

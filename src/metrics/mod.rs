//! Every error measure of the papers, with its exact definition.

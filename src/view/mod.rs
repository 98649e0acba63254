//! What a person looks at: overlay films.

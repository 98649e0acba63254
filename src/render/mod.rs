//! wgpu, off-screen: hand meshes and scenes to pictures.

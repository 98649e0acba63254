//! From key points to a posed hand in metres: residuals with analytic Jacobians, the solver, anatomy.

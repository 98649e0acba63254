//! Robust functions of squared residuals.

/// Cauchy's `rho(s) = c^2 ln(1 + s / c^2)` and `rho'(s)` for a squared residual `s` and the `scale` c.
pub(crate) fn cauchy(squared: f64, scale: f64) -> (f64, f64) {
    let ratio = squared / (scale * scale);
    (scale * scale * ratio.ln_1p(), 1.0 / (1.0 + ratio))
}

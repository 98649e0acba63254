//! Reading the decoder's sub-layers, which have the released names, in either form.

use super::config::{DecoderConfig, DecoderForm};
use crate::net::{
    AbsorbedAttention, Across, Attention, CheckpointError, CodePlace, FeedForward, Isa, LAYER_NORM_EPSILON,
    LayerNorm, Linear, Scope, Sublayer, room,
};

/// Reads sub-layers from the stacks `layers`, `cross_view_layers` and `global_layers` of `scope`.
pub(super) struct LayerReader<'a> {
    pub scope: &'a Scope<'a>,
    pub config: &'a DecoderConfig,
    pub form: DecoderForm,
    pub isa: Isa,
}

/// A sub-layer with the norm before it.
type Normed = Result<(LayerNorm, Sublayer), CheckpointError>;

impl LayerReader<'_> {
    /// Attention of each token to itself.
    pub fn own(&self, layer: usize) -> Normed {
        let scope = self.scope.part("layers").part(layer).part(0);
        let sublayer = match self.form {
            DecoderForm::Plain => Sublayer::Own(self.among(&scope.part("fn"))?),
            DecoderForm::Absorbed => Sublayer::OwnValue(self.value(&scope.part("fn"))?),
        };
        Ok((self.norm(&scope)?, sublayer))
    }

    /// Attention to the crop.
    pub fn near(&self, layer: usize) -> Normed {
        let scope = self.scope.part("layers").part(layer).part(1);
        Ok((self.norm(&scope)?, Sublayer::Near(self.across(&scope.part("fn"))?)))
    }

    /// HaPTIC's attention to the other frames.
    pub fn view(&self, layer: usize) -> Normed {
        let scope = self.scope.part("cross_view_layers").part(layer).part(0);
        let among = self.among(&scope.part("fn"))?;
        Ok((self.norm(&scope)?, Sublayer::View(among, CodePlace::BeforeNorm)))
    }

    /// HaPTIC's attention to the whole frame.
    pub fn far(&self, layer: usize) -> Normed {
        let scope = self.scope.part("global_layers").part(layer).part(0);
        Ok((self.norm(&scope)?, Sublayer::Far(self.across(&scope.part("fn"))?)))
    }

    /// Feed-forward layers.
    pub fn feed(&self, layer: usize) -> Normed {
        let &DecoderConfig { width, hidden, .. } = self.config;
        let scope = self.scope.part("layers").part(layer).part(2);
        let net = scope.part("fn").part("net");
        let first = Linear::read(&net.part(0), width, hidden, self.isa)?;
        let second = Linear::read(&net.part(3), hidden, width, self.isa)?;
        Ok((self.norm(&scope)?, Sublayer::Feed(FeedForward::new(first, second))))
    }

    fn norm(&self, scope: &Scope) -> Result<LayerNorm, CheckpointError> {
        LayerNorm::read(&scope.part("norm"), self.config.width, LAYER_NORM_EPSILON)
    }

    /// `to_out`, the only layer of an attention that has a bias.
    fn out(&self, scope: &Scope) -> Result<Linear, CheckpointError> {
        Linear::read(&scope.part("to_out").part(0), self.config.inner, self.config.width, self.isa)
    }

    fn unbiased(&self, weight: &[f32], outputs: usize) -> Linear {
        Linear::new(weight, &vec![0.0; outputs], self.isa)
    }

    /// Attention of tokens to tokens.
    fn among(&self, scope: &Scope) -> Result<Attention, CheckpointError> {
        let &DecoderConfig { width, inner, heads, .. } = self.config;
        let joint = scope.tensor("to_qkv.weight", &[3 * inner, width])?;
        let (q, kv) = joint.split_at(inner * width);
        let (q, kv) = (self.unbiased(q, inner), self.unbiased(kv, 2 * inner));
        Ok(Attention::new(q, kv, self.out(scope)?, heads))
    }

    /// The layer that a token's attention to itself alone amounts to: output times value.
    fn value(&self, scope: &Scope) -> Result<Linear, CheckpointError> {
        let &DecoderConfig { width, inner, .. } = self.config;
        let joint = scope.tensor("to_qkv.weight", &[3 * inner, width])?;
        let value = joint.iter().skip(2 * inner * width);
        let out = scope.part("to_out").part(0);
        let (weight, bias) = (out.tensor("weight", &[width, inner])?, out.tensor("bias", &[width])?);
        // Each row of the product is a row of the output layer through the transposed value layer.
        let mut transposed = vec![0.0; width * inner];
        for (at, &number) in value.enumerate() {
            let (row, column) = (at / width, at % width);
            transposed[column * inner + row] = number;
        }
        let mut product = Vec::new();
        self.unbiased(&transposed, width).apply(&weight, inner, &mut product);
        let rows = product.chunks_exact(room(width)).flat_map(|row| &row[..width]);
        Ok(Linear::new(&rows.copied().collect::<Vec<f32>>(), &bias, self.isa))
    }

    /// Attention of tokens to features.
    fn across(&self, scope: &Scope) -> Result<Across, CheckpointError> {
        let &DecoderConfig { width, inner, context, heads, .. } = self.config;
        let q = self.unbiased(&scope.tensor("to_q.weight", &[inner, width])?, inner);
        let kv = scope.tensor("to_kv.weight", &[2 * inner, context])?;
        let out = self.out(scope)?;
        Ok(match self.form {
            DecoderForm::Plain => Across::Plain(Attention::new(q, self.unbiased(&kv, 2 * inner), out, heads)),
            DecoderForm::Absorbed => Across::Absorbed(AbsorbedAttention::new(q, &kv, out, heads, self.isa)),
        })
    }
}

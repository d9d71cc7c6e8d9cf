//! HTTP.
pub(crate) async fn serve<S>(
    _n: std::sync::Arc<crate::nsqd::Nsqd>,
    _s: S,
    _p: String,
    _t: tokio_util::sync::CancellationToken,
) {
}

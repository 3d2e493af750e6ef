//! stub
pub async fn run(_: crate::cli::Cli) -> anyhow::Result<()> {
    Ok(())
}

//! placeholder
use super::{host::KeeperHost, life::Worker};
use seawall_edge::plan::Plan;
use seawall_sys::listen::Endpoint;
use std::sync::Arc;
use tokio::runtime::Handle;
#[derive(Default)]
pub struct AdminServers;
impl AdminServers {
    pub fn apply(
        &mut self,
        _: &Arc<Worker>,
        _: &Plan,
        _: &KeeperHost,
        _: &Handle,
    ) -> anyhow::Result<Vec<Endpoint>> {
        Ok(Vec::new())
    }
}

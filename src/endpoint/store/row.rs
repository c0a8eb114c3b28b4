//! One endpoint in the database: its details as JSON, and beside them its token.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KIND, Stored};
use crate::endpoint::details::{Details, Invalid, Rule};
use crate::endpoint::seal::StoreKey;
use crate::endpoint::tls::{ClientFiles, EndpointTls};
use crate::error::Error;
use crate::secret::Secret;
use crate::store::Store;

/// As it is in the tables.
pub(super) struct Row {
    /// In lower case.
    pub(super) host_name: String,
    /// A [`Record`] as JSON.
    pub(super) record: String,
    /// In the clear, or sealed and bound to the record.
    pub(super) token: Zeroizing<Vec<u8>>,
}

/// Everything but the token. A key that is not known is refused: it may be a misspelt one that decides whom to trust.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    host_name: String,
    url: String,
    group_id: String,
    priority: i32,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_pem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Client>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    certificate: PathBuf,
    key: PathBuf,
}

/// What a sealed token is bound to: this kind of database, and every byte of its record. So a token cannot be moved to
/// another endpoint, nor its endpoint's url or certificates be changed, without the key.
pub(super) fn bound_to(record: &str) -> String {
    format!("{KIND}\0{record}")
}

impl Row {
    /// Seals the token where there is a key.
    pub(super) fn encode(store: &Store, details: &Details, active: bool, key: Option<&StoreKey>) -> Result<Row, Error> {
        let Details { host_name, url, group_id, priority, token, tls } = details;
        let EndpointTls { ca_pem, ca_file, pin, client } = tls.clone();
        let record = Record {
            host_name: host_name.clone(),
            url: url.as_str().to_owned(),
            group_id: group_id.to_string(),
            priority: *priority,
            active,
            ca_pem,
            ca_file,
            pin: pin.map(|pin| pin.to_string()),
            client: client.map(|ClientFiles { certificate, key }| Client { certificate, key }),
        };
        let refused = |what| format!("the {what} of endpoint {host_name:?} cannot be written");
        let record = serde_json::to_string(&record).map_err(|error| store.refused(refused("record"), error))?;
        let token = token.expose().as_bytes();
        let token = match key {
            Some(key) => key.seal(token, &bound_to(&record)).map_err(|error| store.refused(refused("token"), error))?,
            None => token.to_vec(),
        };
        Ok(Row { host_name: host_name.to_lowercase(), record, token: Zeroizing::new(token) })
    }

    /// Opens the token where there is a key.
    pub(super) fn decode(&self, store: &Store, key: Option<&StoreKey>) -> Result<Stored, Error> {
        let sealed = key.map(|key| key.open(&self.token, &bound_to(&self.record))).transpose();
        let token = sealed.map_err(|error| {
            let why = format!(
                "the token of endpoint {:?} does not belong to its record, which was changed without the key; \
                 put a copy of the file back, or move it away and add the endpoints again",
                self.host_name
            );
            store.refused(why, error)
        })?;
        let token = token.as_ref().unwrap_or(&self.token);
        details(&self.host_name, &self.record, token).map_err(|error| {
            let why = format!(
                "endpoint {:?} breaks a rule; put a copy of the file back, or move it away and add the endpoints again",
                self.host_name
            );
            store.refused(why, error)
        })
    }
}

fn details(key: &str, record: &str, token: &[u8]) -> Result<Stored, Box<dyn std::error::Error + Send + Sync>> {
    let Record { host_name, url, group_id, priority, active, ca_pem, ca_file, pin, client } =
        serde_json::from_str(record)?;
    if host_name.to_lowercase() != key {
        return Err(Invalid::new(Rule::WrongType, "hostName", format!("is {host_name:?}")).into());
    }
    let token = Secret::new(std::str::from_utf8(token)?.to_owned());
    let tls = EndpointTls {
        ca_pem,
        ca_file,
        pin: pin.map(|pin| pin.parse()).transpose()?,
        client: client.map(|Client { certificate, key }| ClientFiles { certificate, key }),
    };
    let details = Details::new(&host_name, &url, &group_id, priority, token)?.with_tls(tls)?;
    Ok(Stored { details, active })
}

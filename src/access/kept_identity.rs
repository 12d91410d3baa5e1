//! Identities that outlive their request.

use std::net::IpAddr;

use super::{Credentials, Identity};

/// Identity of a client, without a secret, which counts for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptIdentity {
    /// Address that the connection comes from, as the coordinator sees it.
    ip: IpAddr,
    credentials: Credentials,
}

impl KeptIdentity {
    /// Keeps an identity.
    #[must_use]
    pub fn new(identity: &Identity<'_>) -> Self {
        Self { ip: identity.ip, credentials: identity.credentials.clone() }
    }

    /// Returns the identity.
    #[must_use]
    pub const fn get(&self) -> Identity<'_> {
        Identity { ip: self.ip, credentials: &self.credentials, secret: None }
    }

    /// Returns true if the client at `ip` with these credentials has this identity.
    #[must_use]
    pub fn is(&self, ip: IpAddr, credentials: &Credentials) -> bool {
        self.ip == ip && self.credentials == *credentials
    }

    /// Returns the credentials, to be checked again.
    pub const fn credentials_mut(&mut self) -> &mut Credentials {
        &mut self.credentials
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::CaCheck;
    use crate::protocol::KeyName;
    use crate::time::UnixMillis;

    #[test]
    fn a_kept_identity_is_the_same_until_its_certificate_expires() {
        let (here, there) = (IpAddr::from([10, 0, 0, 7]), IpAddr::from([10, 0, 0, 8]));
        let certificate = |ca| Credentials::of_key(KeyName([7; 32]), ca);
        let until = UnixMillis(1000);
        let valid = |names: &[String]| certificate(CaCheck::Valid { names: names.into(), until });
        let all = [
            Credentials::Plain,
            Credentials::NoCertificate,
            certificate(CaCheck::Unknown),
            certificate(CaCheck::Expired),
            valid(&["bob".to_owned()]),
            valid(&[]),
            Credentials::of_key(KeyName([8; 32]), CaCheck::Unknown),
        ];
        for (at, credentials) in all.iter().enumerate() {
            let mut kept = KeptIdentity::new(&Identity { ip: here, credentials, secret: None });
            assert_eq!(kept.get().credentials, credentials);
            for (other, credentials) in all.iter().enumerate() {
                assert_eq!(kept.is(here, credentials), at == other);
                assert!(!kept.is(there, credentials));
            }
            kept.credentials_mut().expire();
            let is_valid = credentials.certified_until() == Some(until);
            let expired = certificate(CaCheck::Expired);
            assert_eq!(kept.get().credentials, if is_valid { &expired } else { credentials });
        }
    }
}

//! Own keys: made by us, read from PEM, and refused.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use webpki::{EndEntityCert, anchor_from_trusted_cert};

use super::*;
use crate::limits::tls::CERTIFICATE_BYTES_MAX;
use crate::net::tls::generate::pem;

fn fault(pem: &[&str]) -> IdentityFault {
    TlsIdentity::from_pem(pem.concat().as_bytes()).unwrap_err()
}

#[test]
fn a_generated_key_is_read_back_and_named() {
    let key = generate_key().unwrap();
    assert_eq!(identity(&key).key_name(), key.name);
    let other = generate_key().unwrap();
    assert_ne!(key.name, other.name);
    for pem in [&key.certificate, &key.private_key] {
        assert!(pem.starts_with("-----BEGIN ") && pem.ends_with("-----\n"), "{pem}");
        assert!(pem.lines().all(|line| line.len() <= 64), "{pem}");
    }
}

#[test]
fn a_generated_certificate_is_signed_by_its_key_and_has_no_end() {
    // The lengths of the signature and its padding differ from run to run.
    for _ in 0..20 {
        let key = generate_key().unwrap();
        let der = CertificateDer::from_pem_slice(key.certificate.as_bytes()).unwrap();
        let anchor = anchor_from_trusted_cert(&der).unwrap();
        let end = EndEntityCert::try_from(&der).unwrap();
        for seconds in [0, 253_402_300_799] {
            let now = rustls::pki_types::UnixTime::since_unix_epoch(
                std::time::Duration::from_secs(seconds),
            );
            let usage = webpki::KeyUsage::client_auth();
            let anchors = [anchor.clone()];
            let algorithms = webpki::ALL_VERIFICATION_ALGS;
            end.verify_for_usage(algorithms, &anchors, &[], now, usage, None, None).unwrap();
        }
    }
}

#[test]
fn base64_is_the_one_of_pem() {
    for length in 0..100_usize {
        let bytes: Vec<u8> = (0..length).map(|index| (index * 37 + length) as u8).collect();
        let text = pem("CERTIFICATE", &bytes);
        let read = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
        assert_eq!(read.as_ref(), bytes, "{text}");
    }
}

#[test]
fn certificates_and_the_key_may_stand_in_any_order_among_other_lines() {
    let GeneratedKey { name, certificate, private_key } = &*ALICE;
    for pem in [
        format!("{certificate}{private_key}"),
        format!("{private_key}{certificate}"),
        format!("// mine\ncoordinator=sha256:00\n{private_key}\n\n{certificate}\ntext"),
        format!("{certificate}{private_key}").replace('\n', "\r\n"),
        format!("{certificate}{}{private_key}", MALLORY.certificate), // A chain.
    ] {
        assert_eq!(TlsIdentity::from_pem(pem.as_bytes()).unwrap().key_name(), *name, "{pem}");
    }
}

#[test]
fn other_pem_is_refused_with_the_reason() {
    let (certificate, private_key) = (&*ALICE.certificate, &*ALICE.private_key);
    let broken_key = private_key.replace("MIG", "MIH");
    let cut = certificate.split_at(certificate.len() / 2).0;
    let long = certificate.repeat(CERTIFICATE_BYTES_MAX / 250);
    let cases: [(&[&str], IdentityFault); 11] = [
        (&[], IdentityFault::NoCertificate),
        (&["garbage\0\u{FF}"], IdentityFault::NoCertificate),
        (&[private_key], IdentityFault::NoCertificate),
        (&[certificate], IdentityFault::NoKey),
        (&[certificate, private_key, private_key], IdentityFault::SecondKey),
        (&[certificate, &MALLORY.private_key], IdentityFault::KeyOfAnother),
        (&[certificate, &broken_key], IdentityFault::BadKey),
        (&[cut], IdentityFault::BadPem),
        (&[&long, private_key], IdentityFault::CertificatesTooLong),
        (&[include_str!("keys/p521.pem")], IdentityFault::BadKey),
        (
            &["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", private_key],
            IdentityFault::BadCertificate,
        ),
    ];
    for (pem, expected) in cases {
        assert_eq!(fault(pem), expected, "{pem:?}");
    }
    for length in 0..certificate.len() + private_key.len() - 1 {
        let pem = format!("{certificate}{private_key}");
        assert!(TlsIdentity::from_pem(&pem.as_bytes()[..length]).is_err(), "{length}");
    }
}

#[test]
fn cas_are_read_from_pem() {
    assert_eq!(CaRoots::from_pem(b"").unwrap_err(), IdentityFault::NoCertificate);
    assert_eq!(
        CaRoots::from_pem(ALICE.private_key.as_bytes()).unwrap_err(),
        IdentityFault::NoCertificate
    );
    let cut = ALICE.certificate.split_at(100).0;
    assert_eq!(CaRoots::from_pem(cut.as_bytes()).unwrap_err(), IdentityFault::BadPem);
    let two = format!("{}{}", ALICE.certificate, MALLORY.certificate);
    CaRoots::from_pem(two.as_bytes()).unwrap();
}

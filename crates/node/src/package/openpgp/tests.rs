//! Signatures that GnuPG made with keys that were thrown away; the one of version 3, as packages of EL7 have them, was made
//! by hand and found good by `gpgv`.

use super::*;

const DOCUMENT: &[u8] = b"a document\n";

const RSA_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\
    \n\
    mQENBGsFs6UBCADAAhZm+JlLzUdKh5sMgWETOxm0tLt5LdsbDPySJK46HhsDJ90G\n\
    TkiCbhXbQKaZyAgG8cLpuybojA13WhLy25jDg0zoZLmN+2HZVxrHgtsmrldKK0yX\n\
    +SYXkl23erqj+4lD9AatDV60NMW4+y5Blw3uiNCoQ5umYCKIRz37y3CUEaNP0kqb\n\
    vUnIy3X+7/hAD3DdNBRTghGGrNysg1TbzSfFxN3xAkwct57WQxBACMDnBKcj7gB+\n\
    BeqNqLeU4mCfVOmk6WZCwSK+hM2ETNRNEz4mYC78ma6xrUQnPVzrpiR9ME4e4X6k\n\
    xNEFl6DAERN2naIf9yKwXOkc03gRiFJ874cBABEBAAG0DHJzYTIwNDhAdGVzdIkB\n\
    TgQTAQoAOBYhBLVmkIb2pp+eMQS4zPaScuMpSvUnBQJrBbOlAhsDBQsJCAcCBhUK\n\
    CQgLAgQWAgMBAh4BAheAAAoJEPaScuMpSvUnhnQH/28Swa9AhW1IH65fnP4Wktlw\n\
    sj+3DTKgKAsRlOOXDpE8AvgW2NMj8pBJpbarGv6lwuy18jE/JSxByq9vQa8/VNnm\n\
    yMrRETacin/CK3+zsyiG9RsN3ObRj21Jkt79lEm/RLST55LBm9LToq4eyk5zdK7a\n\
    ZTFJ8bkWx0DCGhwnTO4I6UjTniOYiSfVNs46e8vroa9FRNwNXnSenqnfsVbQ3tOe\n\
    Jgz5AYZVoU+jhk3QBy/VVaJH+kBVZejEvwrGk8E3/3ih/6jBIeIYuGdeW5YJZwlp\n\
    FP8d58Uop86FMtmE4hFgiWUwRzGkmSoCtWipWXdIEsnX0NvtXXsYL6w9fZr4jdk=\n\
    =5KwW\n\
    -----END PGP PUBLIC KEY BLOCK-----";
const DSA_KEY: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\
    \n\
    mQGiBGsFs6URBADzFlWbtWYMDa8Bkkt0lHmcrSxX/KgK0jxsPYuBdSPVd5LCTFTp\n\
    kL3sV0m4wIeTUFEQwauH+0lb6gguNxM8Bd1/3I2UrQ7lJg7xBhIfcdQrhFdnDzNG\n\
    rpcjfxvbtvyVLcJGui4Y2u5Z44ItnwHNRlNjQjv2d03WlFEnlXQ58yeKLwCg/p2+\n\
    o4SWQG182UGlGjw8W6SOZIUEAJIBfLEJL5Mgv5Us9+SsH78LAqampQT01G+iFD/h\n\
    l3o40yJwzU+czJktlJWdr2CFcvbRHxatmzMQtVVBpQMjmStApWKU5ELNmCGHRN4y\n\
    0nuXEqv9VLN9k7TWB/aaKSpLqmG0AWTGjM0WX0dHGgI8x28W4t3RLEu04i9J87Fj\n\
    SWWjBACbRbXoVlVyTwNPkyCSATalVvbwxkmXxE1uFkn1fLIpeVLCH3bpdwsaapgp\n\
    dcjTnsUOxNO+BpSBCjyvkt6HXqE+lyzIQmfHILFMxtyWwxUg40TgGjmKFc7ZGbUQ\n\
    H5SpOCio20oQlM1l83ItSvriUs+GzZGy8idFmU/wWUdWwZYT5bQMZHNhMTAyNEB0\n\
    ZXN0iHgEExECADgWIQRlU7TUqAWBQF049NG2r/onwOIv7AUCawWzpQIbAwULCQgH\n\
    AgYVCgkICwIEFgIDAQIeAQIXgAAKCRC2r/onwOIv7LiOAJ0V4T8qG5+G1f6YED+k\n\
    sl/ZUFnmWgCfdNIyWJkIGkErSuTdQCRINH2N5Gg=\n\
    =9hrt\n\
    -----END PGP PUBLIC KEY BLOCK-----";
const OLD_KEY: &str = "mQENBFNyTgABCACXwcyWvjl6JsD1nr0Nn32K+xedmghMytXM0Ey3Z6cdA303bHeQ2Phx7VaX4Ladf5HtykaREFUG4nYhgvtDPh0I\
    CZlbE2RsITcU4/8883Xwanf2jnhp1dK1BapcNbeuP174oEvCCAQs3d2GfZ7O/vMTYTczwIUk85mUMCHiN3k7hZNq2xa9Umso9P5I\
    iNWz/8Z7/f8g7NqksEh3mPiJJhW039DYydEredCj2aIiKxFYHBhmXzj6PgyJGm77EbTNLIHxoV3UdYlfp6UivIQ/Iev0L2RX/e3v\
    jgp8ELTEJMUxT9vNs5r42/3WyCczG23/dneKjNzA+RMyyGyOyjik6oOlABEBAAG1AAZhIHRlc3SJAR8EEwEIAAkFAlNyTgECGwMA\
    CgkQidxHLAHq7S/pTAf9G66NsEqEnzF39XWoidHnateHvadKZHhtT4fKq/1xzEOgZtf+cR1uny8m4builpEk3p0CK0VD4bmac/Fc\
    B/TqP9tq77nQ2ftlUqLtWdwuuZHo9QFif2IrkbNpzB2Qj+wy1qmL5fU0MlVvf6R4ZxPhsJ5IPzq6fkNJ/XAQSO2HUGyDtjLh13cz\
    JfV8OzSDmwbtGieRnWkgXZw8f1p9wajT7tIHimo5yK5QsdFl/APuokvTIJs0tZAfLRD8ohr6PxsD6+CVzm7+XcqrOvIl8g6+K8i1\
    M92Gcwh3o5mY9N1DoAt9PSaAEsWENBpb2ggOvpU2iI9a+h+Eel3fMGAOzhpedQ==";
const RSA_SHA256: &str = "iQFBBAABCAArFiEEtWaQhvamn54xBLjM9pJy4ylK9ScFAmsFs6YNHHJzYTIwNDhAdGVzdAAKCRD2knLjKUr1J6wHB/9qtpneII72\
    SCPHg7N9k0GDRg0GNCFrTEmIdC+2vIFC0WLtpFPcP0rI5CoURo4IdVKaYBL5YpB3bajTQsjo1Jm03T76scAi6vGpDrfQE102VQsT\
    nn0EAw989DVpu9LofmW16wAlft3YeSPR5jWLlEoszHln2jKxDDebHHd2vzqpjfHHYqjRGRcZ6Ulrbdlnyxc2hj4LDIqZejVXv4va\
    mpLanXELtN8Y0KlCIR5ZbdGn5uest10JjfEpEL2URLjetqMlVtBXRX6R1wdzxqovjlLURvSwvojZk6CZsqQTfMKu/eALB64mrePL\
    EsBHucRYNmU4cEKGviMJAZC9XWwT0DD1";
const RSA_SHA512: &str = "iQFBBAABCgArFiEEtWaQhvamn54xBLjM9pJy4ylK9ScFAmsFs6YNHHJzYTIwNDhAdGVzdAAKCRD2knLjKUr1Jx/iCACk2LbNarKt\
    SWOa0hWI1ek9EVqcKw/VtPtXrRLPY76X13EVbxkr4V7P1Nvf/bBXD4bdGYnERBV4xT8+DZwYvPlU60humTUrE3ls5UhTcoBpDtjT\
    i20sDd7qcOmzZ3ObDEQJb62/tRg98XDcCiD/PxFjLMyEmfk0k2ldwnrcPgRBx45n3bvb4CZn+PFYmI6gYof84XWEp0HNNOWskyxl\
    z0SZEEt1jZ2Tk5KdfZoyyB0vpyl7ei8USmI3ESpwvHSr9D6q+Tzu4PVnKhIfRxk/zQNBcyTKawmppQNri5f0oTI1PI+QUln6ivWs\
    6LpwUiRMPkXGKCNVmuB4MqhQ6SwJ+v8m";
const DSA_SHA1: &str = "iGsEABECACsWIQRlU7TUqAWBQF049NG2r/onwOIv7AUCawWzpg0cZHNhMTAyNEB0ZXN0AAoJELav+ifA4i/sIVkAn3e79XjZIBFg\
    8iF+rugwOFhBN7DTAJoCfVzBuGZebiR+85pob+0t37q8xQ==";
const VERSION_3: &str = "iQEVAwUAWWgvAIncRywB6u0vAQgTNgf+M5FBn9s6RlOG9DGwCd8vw2Tv7ehpmT4g6Ekn0LX71esrUxbEAArlm0HBhMtdCMYe2heJ\
    AlNWgN/q1emiHaawqIgdoEoW6/EOW3oQJxA64QLNXmkJ2RCOHUghFJ4eh5m0g7vtnbMOsRGyLrlh/GUaCP0irWyhYrsIWPdk8yBM\
    sZ1UButZjwOSfSDbLmYiKHNNN/PBsF5I6+OJJRQjiPlRCiwc1x3Frt2g7HSbd77w4/I0D7+V1mG5wdfOIOl2gIQ+LAUj5o4KIo9W\
    anIOOZpJX/ZNggEd1bJBOm0CA0/mzBu/n6oLYIWK6pfk7Cg5WbhqbXBCCaaYTWAJoL7mGNs3TA==";

/// Whether a signature stands for a document, by the id of its key.
fn stands(keys: &[u8], signature: &str, document: &[u8]) -> (String, Option<bool>) {
    let signature =
        armor::decode(signature).and_then(|packets| Signature::of(&packets)).expect("a signature");
    let mut hasher = signature.hasher().expect("a good algorithm");
    hasher.update(document);
    (signature.key().to_string(), signature.stands(hasher, &Keyring(keys_of(keys))))
}

#[test]
fn signatures_stand_for_what_was_signed_and_nothing_else() {
    let old = armor::decode(OLD_KEY).unwrap();
    let both = [RSA_KEY, DSA_KEY].concat();
    for (keys, signature, key) in [
        (RSA_KEY.as_bytes(), RSA_SHA256, "f69272e3294af527"),
        (both.as_bytes(), RSA_SHA512, "f69272e3294af527"),
        (both.as_bytes(), DSA_SHA1, "b6affa27c0e22fec"),
        (&old, VERSION_3, "89dc472c01eaed2f"),
    ] {
        assert_eq!(stands(keys, signature, DOCUMENT), (key.to_owned(), Some(true)));
        assert_eq!(stands(keys, signature, b"another\n"), (key.to_owned(), Some(false)));
    }
    assert_eq!(stands(DSA_KEY.as_bytes(), RSA_SHA256, DOCUMENT).1, None);
}

#[test]
fn no_byte_of_a_key_or_a_signature_makes_it_panic() {
    let keys = armor::blocks([RSA_KEY, DSA_KEY].concat().as_bytes()).unwrap();
    for (key, signature) in [(&keys[0], RSA_SHA256), (&keys[1], DSA_SHA1)] {
        let signature = armor::decode(signature).unwrap();
        let judged = |signature: &[u8], keys: &[u8]| {
            let signature = Signature::of(signature)?;
            let mut hasher = signature.hasher()?;
            hasher.update(DOCUMENT);
            signature.stands(hasher, &Keyring(keys_of(keys)))
        };
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 0xff;
            // What isn't signed may be changed: the subpackets that say whose it is, and the beginning of the hash.
            let _ = judged(&changed, key);
            assert_ne!(judged(&signature[..at], key), Some(true));
        }
        for at in 0..key.len().min(700) {
            let mut changed = key.clone();
            changed[at] ^= 0xff;
            let _ = judged(&signature, &changed);
            let _ = judged(&signature, &key[..at]);
        }
    }
}

#[test]
fn a_text_without_a_key_is_no_keyring() {
    for bytes in [&b""[..], b"nothing", b"\xff\xff", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n"] {
        assert!(keys_of(bytes).is_empty());
    }
    assert!(matches!(Keyring::read(Path::new("/dev/null")), Err(KeyringError::NoKey(_))));
    assert!(matches!(Keyring::read(Path::new("/not/there")), Err(KeyringError::Read { .. })));
}

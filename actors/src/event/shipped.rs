//! Which files of native scripts are as shipped: what an admin has changed in others has no effect, and is said.
//!
//! SHA-256 of each script in every release of Samba from 4.2.0 to 4.24.5 (Debian's package has them unchanged).

use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Larger than any of them, in bytes.
const SCRIPT_BYTES_MAX: u64 = 1 << 20;

/// Is the file the script of that name as some release has it? One that can't be read is taken for it: it could
/// not be run either.
pub(super) fn is_as_shipped(name: &str, path: &Path) -> bool {
    match fs::metadata(path) {
        // The mark of `event script disable`, enabled again.
        Ok(meta) if meta.len() == 0 => true,
        Ok(meta) if meta.len() > SCRIPT_BYTES_MAX => false,
        Ok(_) => fs::read(path).is_ok_and(|text| is_known(name, &text)),
        Err(_) => true,
    }
}

fn is_known(name: &str, text: &[u8]) -> bool {
    let digest = Sha256::digest(text);
    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let script = KNOWN.iter().find(|(known, _)| *known == name);
    script.is_some_and(|(_, digests)| digests.contains(&hex.as_str()))
}

/// Script and digests, sorted.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "10.interface",
        &[
            "1ded6b1019b0e399e3e44ab95fd0b8fb7ff302fbaa738002fb14a02308db0384",
            "20cababc0cc3ee89fd892a90bc3213ae889fef809dbc4507f80fae58a778c780",
            "251b952416316c29f02935a35d6f674b94921169e76e0e3ef7ee4e160ba250ce",
            "27f3a75943b24d15245507779cdf5c77f4b883f1a679b36325f1dfa7d23b7de6",
            "3396b5bb63aa8c78c59282efa55ad0b9d3b9d36c062dfa47d0c0b576ad96974f",
            "34c47530408dc43b7864ab52e6c1baf806563c1584d1786d7af30f8c1c3b8188",
            "34d754b6a248a8c2e6d50af6a70a44d441c6ebfbb21b0f7bee19d17943494988",
            "5051e2dc34ac0eb2e00f085a84652903d7d69838c2fe1dc575f2e098c6960391",
            "69861e38d4aac942a1bdb9e13c93a2e134cef44232f373cfafd97ea258a8f2e7",
            "6badd210f6e8e4ef3616173df70d925a510a1191fb13e245153ef5c2287157bb",
            "75efda38593fd379b60aa55d135e0b0650753aa8475d12c8042c79e630a8d6a0",
            "7b846f0d6a8deaa1992a130c00ad26de2b6133b58095bac6146fb675900de5b8",
            "912b3bed250aac92cbf994fc377021ad32c949a1970e2cf0e2489f40f0c9adac",
            "9be650442a8ec6630878a1341567e346c89b39353d040b962db025e8a50464ca",
            "b526f190e6a2cbe128a3d6b4fe9a1ceb09b80f7ff9104fbc26790b0887be145e",
            "b719391eee1e3e6d99f4c8118e7e8eb1d8b84879afbd6fec597990e231889cd8",
            "c2f45cd15106274b49d4bcca42e670f65c6d0d5648564b06ff097cab93fea5c7",
            "c70e9de77699e0021dca8393706c932c785da9214bdc357900a3eb23a4461259",
            "d8ee8ad2fa3972112c0e5a6d4a04339773dba64276d141f60cde4e93be060310",
            "e8615e28ee3c2e1393a7059c3057dc743c6f176b2488e243d076d62f99676e22",
            "fe20adf9590bfecd86cf86bcbc98173c1285919ecb6e7c1e064cb4938ed9406d",
        ],
    ),
    (
        "11.natgw",
        &[
            "058cbcf7f06cd0771ce57e3f66bd689f14bca1b08baa49d179f471b83b41dd81",
            "25d7145466860b36180383a42edee30ce9aea2c790d1f337adc20b82e5818fd2",
            "2a372adacbc187b1012de59d9a5b5c87ac7406d7e231d22b5f1b453e8108c2cc",
            "36af44c3e39e88c27916206819566cbe6249ec757a77232b2c68b445b566d4af",
            "635c1f81ae7251b78905f889447c7898899f0bf70d786c3cbf36128139f72933",
            "94d5f125dc20627b795e41bc1022c7b7dedded339e883211f7ce7ed327af5e60",
            "a715094a4233edb71430cfa4aea5d8a26819eb77126c295de998341e20f2101e",
            "b9a42c637da9f739d12003b4868b96da141e541d256f4a491ba55af068dc5ad0",
            "c9bbf5fa70f0aa6af36cd6dea3f1872d0e4e86e38360f27bdd5f40d6646dae79",
            "e7367fbc5c206b588cc680b01fadc637624bb12b3f41b4fd84665ad1dc614757",
        ],
    ),
    (
        "13.per_ip_routing",
        &[
            "09c7e805e944aa241c1f3ceb699ec35bd4d285ab402eea0aa7bd56b3a1f77e02",
            "244f10d1359d08fa6672d0eb423d654e6af315ab1e109470cb170101e63fda07",
            "8df5a33254960c4c547832571a426836540ab9f7237d3aa308053d1766c1bc05",
            "c88a2dafe0c80c9c925fe2abd3911af5bbf7c14daa3d3131fa33dcb339afb745",
            "dc8d48d79ca8c4f24773ba2f8a35462ba0ec4f91e15720084ea0cbf037157c75",
            "e28943fc5a03a52323a62454ff269148ee0ebe318f495b06ecee638e4e053c9f",
            "e405fbc79615cd2c997b7c2e3752595b8546528153fa4055b6c37199862db6ab",
            "eaed4a0ff50c58bfa3817de0a83206e5b2b63c3f0cbc30a0b7ae15d652171a20",
            "fb1c4d637a61cd27d53b655f6c908bec2fd8c71b0bc033516545827413884465",
        ],
    ),
    (
        "91.lvs",
        &[
            "245a370bd88041263d71549a2def66308b99a072e05dd0f66fa39ab10a530222",
            "27773364d43cd119b5402d0cd0eb7f22f5ca10c664d55c8ec0f70100f6202301",
            "59f6088053a6c9eda9f9846c67e121db8071c21d387d3165022f730cc4c90a93",
            "6d018878f000031cc862837c8c71186f1f1dfc44a72aa7d36d42d01f1a7cb680",
            "a119e5f0d83e20781fbfa86e62ad26c8fe6372371057f4206ac8cb8b8c73c787",
            "b148c37ae407c71766ac7747a07e06aac9b13da094ec667d3d5fccf95e198a67",
            "e889488feb93e979780458bb4ce6c5eda7978780ca149210454561e2b684bbea",
            "f08267bd2b47cc687780773fd4ecc6211b05c51b26f2f18d41cace6bc4cd61c7",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use ctdb_protocol::event::name::NATIVE;

    #[test]
    fn each_native_script_has_digests_and_nothing_else_passes() {
        assert_eq!(
            KNOWN.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            NATIVE
        );
        for (name, digests) in KNOWN {
            assert!(digests.is_sorted() && digests.iter().all(|digest| digest.len() == 64));
            assert!(!is_known(name, b"#!/bin/sh\nexit 0\n"), "{name}");
        }
    }

    /// On machines where Debian's package is installed.
    #[test]
    fn debians_scripts_are_known() {
        for name in NATIVE {
            let path = format!("/usr/share/ctdb/events/legacy/{name}.script");
            assert!(is_as_shipped(name, Path::new(&path)), "{path}");
        }
    }
}

//! "Format object" and "Keys": from a secret to the keys of a store.

use super::crypt::{argon2id, derive, hash, public_key, unseal};
use super::wire::{Bytes, unhex};
use super::{Bytes32, Id, Read};

/// The `format` object.
pub(crate) struct Format {
    pub(crate) store: Id,
    pub(crate) public_key: Bytes32,
}

impl Format {
    pub(crate) fn parse(object: &[u8]) -> Read<Self> {
        let mut bytes = Bytes::new(object);
        bytes.expect("magic than a store's", b"DOZOSTOR")?;
        bytes.expect("version", &[1, 0])?;
        let store = bytes.array()?;
        let _created_s = bytes.i64()?;
        let public_key = bytes.array()?;
        // 1: packs may have parity.
        if bytes.u64()? > 1 {
            return Err(String::from(
                "a feature that is not known is needed for reading",
            ));
        }
        let _needed_for_writing = bytes.u64()?;
        bytes.expect("check sum", &hash(&object[..82]))?;
        bytes.end("the format object")?;
        Ok(Self { store, public_key })
    }
}

/// What a person has.
pub(crate) enum Secret {
    /// The 32 bytes in a key file.
    KeyFile(Bytes32),
    /// What they typed.
    Passphrase(String),
}

impl Secret {
    /// Reads the text of a key file.
    pub(crate) fn from_key_file(text: &str) -> Read<Self> {
        let digits = text
            .trim()
            .strip_prefix("dozo-key-1 ")
            .ok_or("not a key file")?;
        let bytes = unhex(digits)?;
        let mut bytes = Bytes::new(&bytes);
        let key = bytes.array()?;
        bytes.expect(
            "check of a key",
            &derive("dozo v1 key file check", &key)[..4],
        )?;
        bytes.end("a key")?;
        Ok(Self::KeyFile(key))
    }
}

/// Returns whether a slot or ring is of this store, and not of one whose making was interrupted in the same place.
pub(crate) fn is_of(object: &[u8], format: &Format) -> bool {
    object.get(10..26) == Some(&format.store)
}

/// Returns the master key, or nothing if the slot is for another secret.
pub(crate) fn open_slot(object: &[u8], format: &Format, secret: &Secret) -> Read<Option<Bytes32>> {
    if !is_of(object, format) {
        return Ok(None);
    }
    let mut bytes = Bytes::new(object);
    bytes.expect("magic than a slot's", b"DOZOSLOT")?;
    bytes.expect("version", &[1, 0])?;
    bytes.expect("store", &format.store)?;
    let kind = bytes.u8()?;
    let (memory_kib, passes, lanes) = (bytes.u32()?, bytes.u32()?, bytes.u32()?);
    let salt = bytes.array()?;
    let commitment: Bytes32 = bytes.array()?;
    let wrapped = bytes.take(60)?;
    bytes.expect("check sum", &hash(&object[..163]))?;
    bytes.end("a slot")?;
    let secret = match (kind, secret) {
        (1, Secret::KeyFile(key)) => {
            if (memory_kib, passes, lanes, salt) != (0, 0, 0, [0; 32]) {
                return Err(String::from("a key file's slot with Argon2id parameters"));
            }
            *key
        }
        (2, Secret::Passphrase(passphrase)) => {
            if memory_kib > 1 << 20 || passes > 64 || lanes > 16 {
                return Err(String::from("Argon2id parameters above the limits"));
            }
            argon2id(passphrase, &salt, memory_kib, passes, lanes)?
        }
        (1 | 2, _) => return Ok(None),
        _ => return Err(String::from("a slot of an unknown kind")),
    };
    // Not in constant time: nobody measures a test.
    if derive("dozo v1 slot commitment", &secret) != commitment {
        return Ok(None);
    }
    let wrapping = derive("dozo v1 slot wrapping key", &secret);
    let master = unseal(&wrapping, &object[..103], wrapped)?;
    Ok(Some(Bytes::new(&master).array()?))
}

/// The keys of a store.
pub(crate) struct Ring {
    pub(crate) log_key: Bytes32,
    pub(crate) point_key: Bytes32,
    domains: Vec<Domain>,
}

struct Domain {
    number: u32,
    id_key: Bytes32,
    generations: Vec<Generation>,
}

struct Generation {
    number: u32,
    data_key: Bytes32,
    meta_key: Bytes32,
}

impl Ring {
    /// Opens `keys/ring-<number>`.
    pub(crate) fn open(
        object: &[u8],
        format: &Format,
        number: u64,
        master: &Bytes32,
    ) -> Read<Self> {
        let mut bytes = Bytes::new(object);
        bytes.expect("magic than a ring's", b"DOZORING")?;
        bytes.expect("version", &[1, 0])?;
        bytes.expect("store", &format.store)?;
        bytes.expect("number than its name's", &number.to_le_bytes())?;
        let key = derive("dozo v1 ring key", master);
        let (head, body) = object.split_at(34);
        let body = unseal(&key, head, body)?;
        let mut body = Bytes::new(&body);
        let (log_key, point_key, seed) = (body.array()?, body.array()?, body.array()?);
        if public_key(&seed)? != format.public_key {
            return Err(String::from("the ring belongs to another format object"));
        }
        let mut domains = Vec::new();
        for _ in 0..body.count(512)? {
            domains.push(Domain::read(&mut body)?);
        }
        body.end("a ring")?;
        if domains.is_empty() || !domains.is_sorted_by(|a, b| a.number < b.number) {
            return Err(String::from("domains that do not ascend"));
        }
        Ok(Self {
            log_key,
            point_key,
            domains,
        })
    }

    /// The key of chunk ids in a domain.
    pub(crate) fn id_key(&self, domain: u32) -> Read<&Bytes32> {
        Ok(&self.domain(domain)?.id_key)
    }

    /// The key that seals chunks of a kind: 1 data, 2 tree.
    pub(crate) fn chunk_key(&self, kind: u8, domain: u32, generation: u32) -> Read<&Bytes32> {
        let generations = &self.domain(domain)?.generations;
        let found = generations.iter().find(|found| found.number == generation);
        let found = found.ok_or("a generation that the ring does not have")?;
        match kind {
            1 => Ok(&found.data_key),
            2 => Ok(&found.meta_key),
            _ => Err(String::from("a chunk of an unknown kind")),
        }
    }

    fn domain(&self, number: u32) -> Read<&Domain> {
        let found = self.domains.iter().find(|domain| domain.number == number);
        found.ok_or_else(|| String::from("a domain that the ring does not have"))
    }
}

impl Domain {
    fn read(body: &mut Bytes<'_>) -> Read<Self> {
        let number = body.u32()?;
        let (id_key, _chunker_key) = (body.array()?, body.array::<32>()?);
        let mut generations = Vec::new();
        for _ in 0..body.count(1024)? {
            generations.push(Generation {
                number: body.u32()?,
                data_key: body.array()?,
                meta_key: body.array()?,
            });
        }
        if generations.is_empty() || !generations.is_sorted_by(|a, b| a.number < b.number) {
            return Err(String::from("generations that do not ascend"));
        }
        Ok(Self {
            number,
            id_key,
            generations,
        })
    }
}

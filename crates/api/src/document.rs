//! A view together with the name of its schema.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Something that can be an answer of its own.
pub trait View: Serialize + DeserializeOwned {
    /// Its name and version, `dozo.<noun>[.<verb>]/<version>`.
    const SCHEMA: &'static str;
}

/// One answer: the view's fields, with `schema` first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document<T> {
    /// [`View::SCHEMA`] of `body`.
    pub schema: String,
    /// The view.
    #[serde(flatten)]
    pub body: T,
}

/// Why a document could not be used.
#[derive(Debug, thiserror::Error)]
#[error("expected schema {expected}, found {found}")]
pub struct OtherSchema {
    /// What the reader knows.
    pub expected: &'static str,
    /// What the document says it is.
    pub found: String,
}

impl<T: View> Document<T> {
    /// Returns `body` under its schema's name.
    pub fn of(body: T) -> Self {
        Self {
            schema: T::SCHEMA.to_owned(),
            body,
        }
    }

    /// Returns the view.
    ///
    /// # Errors
    /// [`OtherSchema`]: the other side speaks another version; upgrade the older one.
    pub fn into_body(self) -> Result<T, OtherSchema> {
        if self.schema == T::SCHEMA {
            return Ok(self.body);
        }
        Err(OtherSchema {
            expected: T::SCHEMA,
            found: self.schema,
        })
    }
}

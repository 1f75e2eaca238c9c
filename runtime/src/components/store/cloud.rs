//! The clients of the clouds: S3, Google Cloud Storage, Azure.

use std::sync::Arc;

use object_store::{
    Error, ObjectStore, ObjectStoreScheme, Result, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, prefix::PrefixStore,
};
use url::Url;

/// How often a request is sent again. The pauses between are 0.1 s and up to twice as long each time, 6 s in all at most: less
/// than anybody here waits for an answer, so that of a server that is gone the reason is told, and not that it is silent.
const RETRIES: usize = 6;

/// The client of one cloud; of the options it takes those that its builder knows.
macro_rules! client {
    ($builder:ty, $url:expr, $options:expr) => {{
        let retry = RetryConfig { max_retries: RETRIES, ..RetryConfig::default() };
        let builder = <$builder>::new().with_url($url.as_str()).with_retry(retry);
        let set = |builder: $builder, (name, value): (String, String)| match name.to_ascii_lowercase().parse() {
            Ok(key) => builder.with_config(key, value),
            Err(_) => builder,
        };
        Arc::new($options.fold(builder, set).build()?) as Arc<dyn ObjectStore>
    }};
}

/// The client for what lies below `url`. It sends nothing yet.
///
/// # Errors
/// If `url` is that of no cloud, or an option makes no sense.
pub(super) fn client(url: &Url, options: impl Iterator<Item = (String, String)>) -> Result<Arc<dyn ObjectStore>> {
    let (scheme, path) = ObjectStoreScheme::parse(url)?;
    let objects = match scheme {
        ObjectStoreScheme::AmazonS3 => client!(AmazonS3Builder, url, options),
        ObjectStoreScheme::GoogleCloudStorage => client!(GoogleCloudStorageBuilder, url, options),
        ObjectStoreScheme::MicrosoftAzure => client!(MicrosoftAzureBuilder, url, options),
        other => return Err(Error::NotSupported { source: format!("{other:?}").into() }),
    };
    Ok(Arc::new(PrefixStore::new(objects, path)))
}

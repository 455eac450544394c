"""The Firestore client."""

from shared.store.firestore_database import *  # noqa: F403
from shared.store.firestore_database import DEADLINE as DEADLINE
from shared.store.firestore_database import FirestoreDatabase as FirestoreDatabase
from shared.store.firestore_messages import *  # noqa: F403
from shared.store.firestore_messages import SCHEMA as SCHEMA
from shared.store.firestore_values import decode as decode
from shared.store.firestore_values import decode_fields as decode_fields
from shared.store.firestore_values import encode as encode
from shared.store.firestore_values import encode_fields as encode_fields

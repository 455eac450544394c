"""Firestore's messages, as raw protocol buffers: their proto-plus wrappers copy each value. They carry no types of their own, hence Any."""

from typing import Any

from shared.google_grpc import library_left_out

Raw = Any
"""A raw protocol buffer, or its class."""

with library_left_out("google.cloud.firestore_v1"):
    from google.cloud.firestore_v1.types import document, firestore, query, write

Value: Raw = document.Value.pb()
Document: Raw = document.Document.pb()
Write: Raw = write.Write.pb()
StructuredQuery: Raw = query.StructuredQuery.pb()
GetDocumentRequest: Raw = firestore.GetDocumentRequest.pb()
CommitRequest: Raw = firestore.CommitRequest.pb()
CommitResponse: Raw = firestore.CommitResponse.pb()
RunQueryRequest: Raw = firestore.RunQueryRequest.pb()
RunQueryResponse: Raw = firestore.RunQueryResponse.pb()
RunAggregationQueryRequest: Raw = firestore.RunAggregationQueryRequest.pb()
RunAggregationQueryResponse: Raw = firestore.RunAggregationQueryResponse.pb()
ListenRequest: Raw = firestore.ListenRequest.pb()
ListenResponse: Raw = firestore.ListenResponse.pb()

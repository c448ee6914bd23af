"""Every error the service raises on purpose.

ServiceError                       a request that fails; service.api.status gives it an HTTP status
├── InvalidRequest                 the request is malformed; the message says what would be right
│   ├── UnsupportedLanguage        no model here translates this pair
│   ├── InvalidDocument            a file is broken, or is not what it says it is
│   ├── UnsupportedDocument        a file of a format that is not translated
│   └── RequestTooLarge            more text or more items than one request may hold
├── GlossaryNotFound               no glossary has this id
├── ModelNotFound                  no model or version of it has this name
├── ModelNotLoaded                 a model can't be loaded; what served before goes on
├── AdminOnly                      the request needs the key of an admin
├── BodyTooLarge                   more bytes than the door lets in
├── DocumentTooLarge               a file holds more than reading it may cost
├── DocumentFailure                reading or writing a file failed; nothing the client can mend
├── DocumentNotFound               there is no such translated file, or no longer
├── DocumentNotReady               its translation has not ended; come back later
├── MissingKey                     the request has no key, and needs one
├── InvalidKey                     the key is none of those that the operator gave out
├── TooManyRequests                the client sends more requests than it may; come back later
├── QuotaExceeded                  the key has had as many characters translated as it may
├── Disabled                       the operator has turned this off
├── NotStored                      the disk is full, or can't be written; come when it can
├── Overloaded                     too much accepted work is waiting; come back later
│   └── ShuttingDown               the service is draining and accepts nothing new
├── DeadlineExceeded               the answer would have come too late
├── ClientClosedRequest            the client left before its answer was ready
└── ModelFailure                   the model could not translate; nothing the client can mend

StartupError                       the service refuses to start; never seen over HTTP
├── InvalidSettings                a setting is unknown or out of bounds
├── InvalidPackage                 the model directory breaks its contract
│   ├── UnsupportedFormat          a manifest of a format this version does not read
│   ├── MissingFile                a file that the manifest names is not there
│   └── CorruptFile                a file is not the one the manifest describes
└── ProviderUnavailable            the execution provider that was asked for cannot run here

BulkError                          a file that is not translated; never seen over HTTP
├── UnknownFileFormat              it is of none of the known kinds
├── InvalidRecord                  a record of it has no text where one should be
└── OtherWork                      what was begun was begun differently
"""


class ServiceError(Exception):
    """A request that fails. The message is shown to the client and holds none of its text."""


class InvalidRequest(ServiceError):
    """The request is malformed; the message says what would be right."""


class UnsupportedLanguage(InvalidRequest):
    """No model here translates this pair of languages."""


class InvalidDocument(InvalidRequest):
    """The file is broken, or is not what it says it is."""


class UnsupportedDocument(InvalidRequest):
    """The file has a format that is not translated."""


class RequestTooLarge(InvalidRequest):
    """The request holds more characters or items than one request may."""


class GlossaryNotFound(ServiceError):
    """No glossary has this id."""


class ModelNotFound(ServiceError):
    """No model, or no version of it, has this name."""


class ModelNotLoaded(ServiceError):
    """The model can't be loaded; what served before goes on."""


class AdminOnly(ServiceError):
    """The request needs the key of an admin."""


class BodyTooLarge(ServiceError):
    """The body has more bytes than the door lets in."""


class MissingKey(ServiceError):
    """The request has no key, and needs one."""


class InvalidKey(ServiceError):
    """The key is none of those that the operator gave out."""


class DocumentTooLarge(ServiceError):
    """The file holds more text, or costs more time or memory, than a document may."""


class DocumentFailure(ServiceError):
    """Reading or writing the file failed; nothing the client can mend."""


class DocumentNotFound(ServiceError):
    """There is no such translated file, or no longer."""


class DocumentNotReady(ServiceError):
    """The translation of the file has not ended; come back later.

    retry_after_seconds: when it is worth trying again.
    """

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyRequests(ServiceError):
    """The client sends more requests than it may.

    retry_after_seconds: when it may send the next one.
    """

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QuotaExceeded(ServiceError):
    """The key has had as many characters translated as it may."""


class Disabled(ServiceError):
    """The operator has turned this off."""


class NotStored(ServiceError):
    """What was sent could not be written to the disk; all else goes on."""


class Overloaded(ServiceError):
    """Too much accepted work is waiting.

    retry_after_seconds: when it is worth trying again.
    """

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ShuttingDown(Overloaded):
    """The service is draining and accepts nothing new."""


class DeadlineExceeded(ServiceError):
    """The answer would have come after the request's deadline."""


class ClientClosedRequest(ServiceError):
    """The client left before its answer was ready. Nobody reads this error but the access log."""


class ModelFailure(ServiceError):
    """The model could not translate; nothing the client can mend."""


class StartupError(Exception):
    """The service refuses to start. The message says what would be right."""


class InvalidSettings(StartupError):
    """A setting is unknown or out of bounds."""


class InvalidPackage(StartupError):
    """The model directory breaks its contract."""


class UnsupportedFormat(InvalidPackage):
    """The manifest has a format number that this version does not read."""


class MissingFile(InvalidPackage):
    """A file that the manifest names is not in the directory."""


class CorruptFile(InvalidPackage):
    """A file is not the one that the manifest describes."""


class ProviderUnavailable(StartupError):
    """The execution provider that was asked for cannot run on this machine."""


class BulkError(Exception):
    """A file that is not translated. The message says what would be right."""


class UnknownFileFormat(BulkError):
    """The file is of none of the known kinds."""


class InvalidRecord(BulkError):
    """A record of the file has no text where one should be, or can't be translated."""


class OtherWork(BulkError):
    """What was begun has other texts, another model or other options."""

"""Errors that an operator can act on: one line each, without a stack trace on the console."""


class DietzError(Exception):
    """Something the reader of the message can mend; the message names the file, line, column and value concerned."""


class ConfigError(DietzError):
    """A YAML file (conf, schemas, vendor_mappings) does not say what its model expects."""


class AccountingError(DietzError):
    """Records in != silver + quarantined + declared skips: the run stops rather than lose a row."""


class RetriedError(DietzError):
    """A later attempt of the same step of the same run is at work: this one must not say how the run ends."""

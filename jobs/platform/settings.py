"""Settings: the four environment variables of the contract, the configuration file, and what tenants override."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from jobs.platform.yaml_model import StrictModel, load_yaml

PROJECT_ROOT = Path(__file__).resolve().parents[2]

FlowTiming = Literal["inflow_start_outflow_end", "start_of_day", "mid_day", "end_of_day"]


class SparkConf(StrictModel):
    """How the one Spark session of a run is built."""

    master: str = "local[*]"
    driver_memory: str = "4g"
    shuffle_partitions: int = Field(default=2, ge=1)
    conf: dict[str, str] = {}


class PublishConf(StrictModel):
    """How rows travel into Postgres."""

    connections: int = Field(default=2, ge=1, le=16, description="parallel COPY connections")


class AlertsConf(StrictModel):
    """Who is told of a night by Airflow, besides the file in DIETZ_HOME/alerts."""

    email_to: list[str] = Field(default=[], description="addresses; the server is the connection `smtp_default`")
    webhook: str | None = Field(default=None, description="Airflow connection whose URL the message is posted to")


class Conf(StrictModel):
    """Model of `conf/local.yaml` and `conf/cluster.yaml`."""

    spark: SparkConf = SparkConf()
    publish: PublishConf = PublishConf()
    alerts: AlertsConf = AlertsConf()
    lake: str | None = Field(default=None, description="lake root, e.g. s3a://bucket/lake; default DIETZ_HOME/lake")
    decrypt: list[str] = Field(
        default=[], description="command for PGP files: encrypted bytes at its standard input, plain bytes out"
    )
    file_settle_seconds: float = Field(default=1.0, ge=0, description="a file is complete if its size holds this long")


class Tenant(StrictModel):
    """Model of `conf/tenants/<tenant>.yaml`; a folder in landing without one gets these defaults."""

    name: str | None = None
    flow_timing: FlowTiming = "inflow_start_outflow_end"
    calendar: str | None = Field(default=None, description="name of a file in conf/calendars; none: no holidays")
    fiscal_year_start_month: int = Field(default=1, ge=1, le=12)
    reporting_currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    pivot_currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    source_priority: list[str] = Field(default=[], description="vendors, the one whose valuation counts first")


class Settings(BaseSettings):
    """The workspace and its configuration.

    Environment: DIETZ_HOME, DIETZ_DATABASE_URL, DIETZ_CONF and SPARK_MASTER (`design.md`, section 7). Beside them
    DIETZ_MAPPINGS names the folder of the mappings, where it is not `vendor_mappings/` (`mapping.mappings_folder`).
    """

    model_config = SettingsConfigDict(frozen=True)

    home: Path = Field(default=Path("var"), validation_alias="DIETZ_HOME")
    database_url: str | None = Field(default=None, validation_alias="DIETZ_DATABASE_URL")
    conf_file: Path = Field(default=PROJECT_ROOT / "conf" / "local.yaml", validation_alias="DIETZ_CONF")
    spark_master: str | None = Field(default=None, validation_alias="SPARK_MASTER")

    def folder(self, name: str) -> Path:
        """A folder of the workspace (landing, lake, postgres, data_docs, reports, logs), made if absent."""
        path = self.home.resolve() / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def landing(self) -> Path:
        return self.folder("landing")

    @property
    def lake_root(self) -> str:
        return self.conf.lake or str(self.folder("lake"))

    @cached_property
    def conf(self) -> Conf:
        return load_yaml(self.conf_file, Conf)

    @property
    def conf_folder(self) -> Path:
        return self.conf_file.resolve().parent

    def tenant(self, tenant_id: str) -> Tenant:
        """The tenant's configuration, or the defaults where it has no file."""
        path = self.conf_folder / "tenants" / f"{tenant_id}.yaml"
        return load_yaml(path, Tenant) if path.exists() else Tenant()

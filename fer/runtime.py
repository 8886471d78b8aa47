"""Backend, device, precision and seeds: all that must be settled before Keras is imported."""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass

from fer import check
from fer.errors import ConfigError


@dataclass(kw_only=True)
class Runtime:
    """The machinery below Keras.

    Attributes:
        backend: "tensorflow" or "jax".
        precision: "float32", "mixed_bfloat16" or "mixed_float16" (Micikevicius et al. 2018).
        xla: compile the training step with XLA: "on", "off", or "auto" (on for a GPU, off for a CPU, where it made
            MobileNetV2 slower). JAX always compiles.
        deterministic: give the same numbers on every run of one machine; slower on a GPU.
        threads: CPU threads for the backend; 0 leaves the choice to it. TensorFlow only.
    """

    backend: str
    precision: str
    xla: str
    deterministic: bool
    threads: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "backend", ("tensorflow", "jax"))
        check.one_of(self, "precision", ("float32", "mixed_bfloat16", "mixed_float16"))
        check.one_of(self, "xla", ("auto", "on", "off"))
        check.at_least(self, "threads", 0)

    def apply(self, seed: int) -> None:
        """Settle backend, precision, memory growth and seeds; Keras is imported here for the first time.

        Raises:
            ConfigError: Keras is already loaded with another backend, or the backend is not installed.
        """
        os.environ["KERAS_BACKEND"] = self.backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for a newer version otherwise
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX takes most of the GPU otherwise
        keras = self._keras()
        keras.utils.set_random_seed(seed)
        keras.mixed_precision.set_global_policy(self.precision)
        if self.backend == "tensorflow":
            self._apply_tensorflow()

    def _keras(self):  # type: ignore[no-untyped-def]  # the module itself
        loaded = sys.modules.get("keras")
        if loaded is not None and loaded.config.backend() != self.backend:
            raise ConfigError(
                f"runtime.backend: expected {loaded.config.backend()}, which Keras was loaded with in this process, "
                f"got {self.backend}; run the two backends in two commands"
            )
        try:
            import keras
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"runtime.backend={self.backend}: the package {error.name} is not installed; `uv sync` installs "
                "TensorFlow and `uv sync --extra jax` JAX; or choose the other backend"
            ) from error
        return keras

    def _apply_tensorflow(self) -> None:
        import tensorflow as tf

        if self.deterministic:
            tf.config.experimental.enable_op_determinism()
        with suppress(RuntimeError):  # a notebook has used the GPU before
            for gpu in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(gpu, True)
        if self.threads:
            try:
                tf.config.threading.set_intra_op_parallelism_threads(self.threads)
                tf.config.threading.set_inter_op_parallelism_threads(self.threads)
            except RuntimeError as error:
                raise ConfigError(
                    "runtime.threads: expected the number that TensorFlow was started with in this process, "
                    f"got {self.threads}; run it as a command of its own"
                ) from error

    def jit(self) -> bool | str:
        """Return what `Model.compile(jit_compile=...)` takes."""
        if self.xla != "auto":
            return self.xla == "on"
        return "auto" if self.backend == "jax" or self.device() != "CPU" else False

    def device(self) -> str:
        """Return the kind of device that trains: "CPU", or a GPU's name."""
        if self.backend == "jax":
            import jax

            first = jax.devices()[0]
            return "CPU" if first.platform == "cpu" else str(first.device_kind)
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        if not gpus:
            return "CPU"
        return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))

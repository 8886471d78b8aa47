"""Backend, device, precision and seeds: all that must be settled before Keras is imported."""

import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

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
        device: "gpu", "cpu", or "auto" (a GPU where there is one).
        devices: over how many of them each batch is divided; on the CPU, so many virtual ones.
        threads: CPU threads for the backend; 0 leaves the choice to it. TensorFlow only.
    """

    backend: str
    precision: str
    xla: str
    deterministic: bool
    device: str
    devices: int
    threads: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "backend", ("tensorflow", "jax"))
        check.one_of(self, "precision", ("float32", "mixed_bfloat16", "mixed_float16"))
        check.one_of(self, "xla", ("auto", "on", "off"))
        check.one_of(self, "device", ("auto", "cpu", "gpu"))
        check.at_least(self, "devices", 1)
        check.at_least(self, "threads", 0)

    def apply(self, seed: int) -> None:
        """Settle backend, precision, memory growth and seeds; Keras is imported here for the first time.

        Raises:
            ConfigError: Keras is already loaded with another backend, the backend is not installed, or there are not as
                many devices as asked for.
        """
        self.announce()
        keras = self._keras()
        keras.utils.set_random_seed(seed)
        keras.mixed_precision.set_global_policy(self.precision)
        if self.backend == "tensorflow":
            self._apply_tensorflow()
        self._check_devices()
        if self.backend == "jax" and self.devices > 1:
            keras.distribution.set_distribution(keras.distribution.DataParallel(devices=self._names()))

    def announce(self) -> None:
        """Settle what the backend reads while it is imported."""
        os.environ["KERAS_BACKEND"] = self.backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # off by default on many CPUs, where it trains faster too
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network for a newer version otherwise
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX takes most of the GPU otherwise
        if self.backend == "jax":
            self._announce_jax()

    def scope(self) -> AbstractContextManager[Any]:
        """Return the context in which a network is built and trained; for several devices, a MirroredStrategy's."""
        if self.devices == 1 or self.backend == "jax":
            return nullcontext()
        import tensorflow as tf

        return tf.distribute.MirroredStrategy(self._names()).scope()

    def _announce_jax(self) -> None:
        """Settle what JAX reads when it starts; in a notebook where it has started, that stays as it is."""
        if self.device == "cpu":
            os.environ["JAX_PLATFORMS"] = "cpu"
        if self.deterministic:
            flag = "--xla_gpu_deterministic_ops=true"
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
        if self.devices > 1:
            with suppress(ImportError, RuntimeError):
                import jax

                jax.config.update("jax_num_cpu_devices", self.devices)

    def _check_devices(self) -> None:
        gpus, found = self._gpus(), len(self._names())
        if self.device == "gpu" and not gpus:
            raise ConfigError(f"runtime.device: expected a GPU, but {self.backend} sees none; choose cpu or auto")
        if self.devices > found:
            raise ConfigError(
                f"runtime.devices: expected at most {found}, as many as {self.backend} sees, got {self.devices}"
            )

    def _gpus(self) -> list[str]:
        if self.device == "cpu":
            return []
        if self.backend == "jax":
            import jax

            return [f"{each.platform}:{each.id}" for each in jax.devices() if each.platform != "cpu"]
        import tensorflow as tf

        return [f"GPU:{index}" for index, _ in enumerate(tf.config.list_physical_devices("GPU"))]

    def _names(self) -> list[str]:
        """Return the devices that are used."""
        if gpus := self._gpus():
            return gpus[: self.devices]
        if self.backend == "jax":
            import jax

            return [f"cpu:{each.id}" for each in jax.devices("cpu")][: self.devices]
        import tensorflow as tf

        return [f"CPU:{index}" for index, _ in enumerate(tf.config.list_logical_devices("CPU"))][: self.devices]

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
        with suppress(RuntimeError):  # a notebook has used the devices before
            if self.device == "cpu":
                tf.config.set_visible_devices([], "GPU")
            if self.devices > 1 and not self._gpus():
                virtual = [tf.config.LogicalDeviceConfiguration()] * self.devices
                tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], virtual)
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
        return "auto" if self.backend == "jax" or self._gpus() else False

    def hardware(self) -> str:
        """Return the kind of device that trains, and how many: "CPU", "2 CPU", or a GPU's name."""
        count = f"{self.devices} " if self.devices > 1 else ""
        if not self._gpus():
            return f"{count}CPU"
        if self.backend == "jax":
            import jax

            return f"{count}{jax.devices()[0].device_kind}"
        import tensorflow as tf

        first = tf.config.list_physical_devices("GPU")[0]
        return f"{count}{tf.config.experimental.get_device_details(first).get('device_name', 'GPU')}"

"""Dense layers whose gradients suit XLA's CPU backend. Axes: D inputs, H outputs."""

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

NARROW = 4


@jax.custom_vjp
def dense(x: Float[Array, "... D"], kernel: Float[Array, "D H"], bias: Float[Array, "H"]) -> Float[Array, "... H"]:
    """Return x·kernel + bias.

    The gradient of the kernel, xᵀ·g, is a product with a transposed left operand. On CPU such a product takes a third
    longer than one with an explicitly transposed copy, and three times as long for narrow inputs. On accelerators
    the gradient is not changed.
    """
    return x @ kernel + bias


def _forward(x: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return dense(x, kernel, bias), (x, kernel)


def _backward(saved: tuple[Array, Array], g: Array) -> tuple[Array, Array, Array]:
    x, kernel = saved
    flat_x, flat_g = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    transposed = flat_x.T
    if jax.default_backend() == "cpu":
        transposed = jax.lax.optimization_barrier(transposed)  # else XLA fuses it into the product again
    return g @ kernel.T, transposed @ flat_g, flat_g.sum(0)


dense.defvjp(_forward, _backward)


def narrow_dense(
    x: Float[Array, "... D"], kernel: Float[Array, "D H"], bias: Float[Array, "H"]
) -> Float[Array, "... H"]:
    """Return x·kernel + bias, with one matrix-vector product per output if there are at most four outputs.

    XLA on CPU is slow at products with an inner or outer dimension of 2 to 4, which occur in the gradient of such a
    layer.
    """
    if kernel.shape[1] > NARROW:
        return x @ kernel + bias
    return jnp.stack([x @ kernel[:, column] for column in range(kernel.shape[1])], -1) + bias

"""`python -m jupyter_containers.fallback`: the fallback kernel's command names this path."""

from .kernels.fallback_kernel import main

if __name__ == "__main__":
    main()

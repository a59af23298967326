"""`python -m jupyter_containers.relay`: kernel specs on people's disks name this path."""

from .kernels.relay import main

if __name__ == "__main__":
    main()

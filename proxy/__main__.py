"""`python -m chatreel`."""

from chatreel.cli import main

if __name__ == "__main__":
    main()

"""What both scripts take: JSON files in, a CSV and a picture out."""
import argparse


def read_options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--csv", required=True)
    parser.add_argument("--picture", required=True)
    return parser.parse_args()

"""Files in stores that are reached by URLs: object stores, web servers, fsspec filesystems."""

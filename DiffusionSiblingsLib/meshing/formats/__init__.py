"""Files of meshes, one module for each format. Our own writers: libraries lose sets, or bring licences with them."""

//! What IP needs beside its formats, as machines without packets.

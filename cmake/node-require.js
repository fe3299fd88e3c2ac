// Old Emscripten's glue takes require and __dirname for granted under Node, also
// in an ES module, which has neither; web/core/load.js hands in the first. The
// worker file of the builds with threads makes it global by itself.
var require = Module['require'] || globalThis.require;
var __dirname = '.';

// Stack traces of failed tests name the TypeScript sources.
process.setSourceMapsEnabled(true);

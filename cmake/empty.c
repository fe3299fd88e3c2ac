/* Keeps a library that may have no other source a library. */
typedef int EmptyTranslationUnit;

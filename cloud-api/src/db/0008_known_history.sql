-- Which boot of the gateway recorded the fact that the mark stands at: a gateway whose own fact of that
-- number is of another boot speaks from an old copy of its journal.
ALTER TABLE ingest_marks ADD COLUMN boot TEXT;

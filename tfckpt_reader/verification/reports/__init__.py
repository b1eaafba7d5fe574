"""Reports as text, for machines, services and people.

Each format has a module with a pure function from reports to text. Names
come from files and may hold anything: each module escapes them as its format needs.
"""

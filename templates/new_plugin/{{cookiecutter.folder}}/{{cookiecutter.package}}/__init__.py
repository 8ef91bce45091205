"""Singer plugin for {{cookiecutter.title}}."""
